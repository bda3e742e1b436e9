import { describe, expect, it } from "vitest";
import { type GuestOptions, guestsProblem } from "../src/monitor/tenant-options.ts";

const guest = (name: string, listen = `/run/${name}.sock`): GuestOptions => ({ name, listen });
const labelled = (labels: Record<string, string>): GuestOptions => ({ ...guest("web"), labels });

describe("guests that the host names", () => {
  it("may be many, beside virtual machines and guests without a name", () => {
    const guests = [guest("web"), guest("web-2"), guest("build.x_1"), labelled({ team: "a", _x9: "" })];
    guests[3] = { ...guests[3]!, name: "labelled", listen: "/run/other" };
    expect(guestsProblem(guests.toSpliced(1, 1), [{ name: "vm" }], "/run/common")).toBeUndefined();
    expect(guestsProblem([], [], undefined)).toBeUndefined();
  });

  it.each<[string, GuestOptions[], { name: string }[], string]>([
    ["two of one name", [guest("web"), guest("web", "/run/b")], [], 'two guests are called "web"'],
    ["a machine of a guest's name", [guest("web")], [{ name: "web" }], 'two guests are called "web"'],
    [
      "a name that another's guests have",
      [guest("web"), guest("web-2")],
      [],
      '"web-2" is what those of the guest "web" are called',
    ],
    [
      "a machine with such a name",
      [guest("web")],
      [{ name: "web-10" }],
      '"web-10" is what those of the guest "web" are called',
    ],
    ["a name that is taken", [guest("guest")], [], '"guest" is what guests without a name are called'],
    ["such a name", [guest("attached-1")], [], '"attached-1" is what guests without a name are called'],
    [
      "one socket twice",
      [guest("a", "/run/x"), guest("b", "/run/../run/x")],
      [],
      'two guests attach at "/run/../run/x"',
    ],
    ["the socket of the others", [guest("a", "/run/common")], [], 'two guests attach at "/run/common"'],
    [
      "no name",
      [guest("1a")],
      [],
      '"1a" is no name of a guest: expected up to 64 letters, digits, ".", "_" and "-", a letter first',
    ],
    [
      "no label",
      [labelled({ "a-b": "x" })],
      [],
      '"a-b" is no label: expected up to 64 letters, digits and "_", no digit first',
    ],
    ["a long label", [labelled({ a: "x".repeat(257) })], [], 'the label "a" has more than 256 bytes'],
    [
      "many labels",
      [labelled(Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`l${i}`, ""])))],
      [],
      "17 labels are more than 16",
    ],
  ])("are refused with a sentence: %s", (_, guests, vms, problem) => {
    expect(guestsProblem(guests, vms, "/run/common")).toBe(problem);
  });
});
