// All scenarios for a guest: what it does over time, and against a host that misbehaves.

import type { Case } from "../world.ts";
import { attachScenarios } from "./attach.ts";
import { bellScenarios } from "./bells.ts";
import { controlScenarios } from "./control.ts";
import { hostileScenarios } from "./hostile.ts";
import { ringScenarios } from "./rings.ts";
import { streamScenarios } from "./streams.ts";

export const scenarios: readonly Case[] = [
  ...attachScenarios,
  ...controlScenarios,
  ...streamScenarios,
  ...ringScenarios,
  ...bellScenarios,
  ...hostileScenarios,
];
