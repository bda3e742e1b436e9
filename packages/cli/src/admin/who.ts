// Who has changed something, as a word or two for people.

interface Who {
  readonly via: string;
  readonly pid?: number;
  readonly uid?: number;
  readonly address?: string;
}

export function byText({ via, pid, uid, address }: Who): string {
  const who = [
    ...(pid === undefined ? [] : [`pid ${pid}`]),
    ...(uid === undefined ? [] : [`uid ${uid}`]),
    ...(address === undefined ? [] : [address]),
  ];
  return who.length === 0 ? via : `${via} (${who.join(", ")})`;
}
