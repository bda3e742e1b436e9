// What Ringway needs of a QEMU that is started by hand, as docs/vm.md has it: shared memory, a doorbell, no network
// card; and two processors at least possible, or TCG would emit plain instructions where the guest's are locked.

export interface Places {
  /** The file that is the shared memory, and its size. */
  readonly memory: string;
  readonly memoryMib: number;
  /** The socket on which QEMU listens for the monitor. */
  readonly doorbell: string;
}

export type Bell = "virtio port" | "serial line";

export const ACCELERATOR: string = process.env.RINGWAY_VM_ACCEL ?? "tcg";

export function devices({ memory, memoryMib, doorbell }: Places, bell: Bell = "virtio port"): string[] {
  const port = [
    "-device",
    "virtio-serial-pci,ioeventfd=off",
    "-device",
    "virtserialport,chardev=doorbell,name=org.ringway.doorbell",
  ];
  return [
    ...["-accel", ACCELERATOR, "-smp", "1,maxcpus=2", "-nic", "none"],
    ...["-object", `memory-backend-file,id=region,mem-path=${memory},size=${memoryMib}M,share=on`],
    ...["-device", "ivshmem-plain,memdev=region"],
    ...["-chardev", `socket,id=doorbell,path=${doorbell},server=on,wait=off`],
    ...(bell === "virtio port" ? port : ["-serial", "chardev:doorbell"]),
  ];
}
