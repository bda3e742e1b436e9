// All scenarios for a guest: what it does over time, and against a host that misbehaves.

import type { Case } from "../world.ts";
import { additionScenarios } from "./additions.ts";
import { attachScenarios } from "./attach.ts";
import { bellScenarios } from "./bells.ts";
import { closingScenarios } from "./closing.ts";
import { controlScenarios } from "./control.ts";
import { hostileScenarios } from "./hostile.ts";
import { minorScenarios } from "./minors.ts";
import { requestScenarios } from "./requests.ts";
import { ringScenarios } from "./rings.ts";
import { streamScenarios } from "./streams.ts";
import { versionScenarios } from "./versions.ts";

export const scenarios: readonly Case[] = [
  ...attachScenarios,
  ...versionScenarios,
  ...minorScenarios,
  ...controlScenarios,
  ...streamScenarios,
  ...closingScenarios,
  ...requestScenarios,
  ...ringScenarios,
  ...bellScenarios,
  ...hostileScenarios,
  ...additionScenarios,
];
