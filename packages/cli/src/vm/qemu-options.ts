// The options of a QEMU command line, as far as one has to know them to add some: where each begins, and which have a
// value. What QEMU makes of a value is not judged here.

/** `-name value` or `--name value`; `value` is undefined for a switch. */
export interface QemuOption {
  readonly name: string;
  readonly value: string | undefined;
}

/** QEMU's options without a value, 7.2 and what came since. Every other one has one. */
const SWITCHES: ReadonlySet<string> = new Set(
  (
    "S alt-grab audio-help ctrl-grab curses daemonize enable-fips enable-kvm enable-sync-profile full-screen h help " +
    "mem-prealloc no-acpi no-fd-bootchk no-frame no-hpet no-quit no-reboot no-shutdown no-user-config nodefaults " +
    "nographic nouserconfig old-param only-migratable portrait preconfig s semihosting show-cursor singlestep " +
    "snapshot usb version win2k-hack xen-attach xen-domid-restrict one-insn-per-tb sdl"
  ).split(" "),
);

/** All options, in order. Words that are none are disk images, or a wrapper's own. */
export function parseQemuOptions(args: readonly string[]): QemuOption[] {
  const options: QemuOption[] = [];
  for (let i = 0; i < args.length; i++) {
    const name = /^--?([A-Za-z].*)$/.exec(args[i]!)?.[1];
    if (name === undefined) continue;
    options.push({ name, value: SWITCHES.has(name) ? undefined : args[++i] });
  }
  return options;
}

/** One property of a value: `thread=single`, or the first word where it has no key: `tcg`. */
export interface Property {
  readonly key: string;
  readonly value: string;
}

/** `tcg,thread=single` as properties; `first` is the key of a first word without one. `,,` is a comma. */
export function parseProperties(text: string, first: string): Property[] {
  const parts = text.replaceAll(",,", "\0").split(",");
  return parts.map((part, i) => {
    const [word, ...rest] = part.replaceAll("\0", ",").split("=");
    if (rest.length > 0) return { key: word!, value: rest.join("=") };
    return i === 0 ? { key: first, value: word! } : { key: word!, value: "on" };
  });
}

/** The value of the last property with this key: QEMU takes the last, too. */
export function lastOf(properties: readonly Property[], key: string): string | undefined {
  return properties.findLast((property) => property.key === key)?.value;
}
