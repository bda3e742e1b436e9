// TLS over any stream, of the host's or a guest's. With a pin the certificate is the one that was told, whoever signed
// it; without one, it is valid for the name, as for any client.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  type SecureContext,
  TLSSocket,
} from "node:tls";
import { Failure, UsageError } from "../errors.ts";

export interface TlsOptions {
  /** SHA-256 of the certificate, in hex. */
  readonly pin: string | undefined;
  /** A file of certificates that are trusted besides; for a client. */
  readonly ca: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly name: string | undefined;
}

/** Client and server side; what it takes from files is read once. */
export class Tls {
  readonly #options: TlsOptions;
  #server: SecureContext | undefined;
  #ca: Buffer | undefined;

  constructor(options: TlsOptions) {
    this.#options = options;
    if (options.ca !== undefined) this.#ca = readFileSync(options.ca);
  }

  /** What a server needs: throws before anybody comes. */
  prepareServer(): void {
    const { certificate, key } = this.#options;
    if (certificate === undefined || key === undefined) {
      throw new UsageError("a server with TLS needs --tls-cert and --tls-key");
    }
    this.#server = createSecureContext({ cert: readFileSync(certificate), key: readFileSync(key) });
  }

  async connect(stream: Duplex, host: string, over: AbortSignal): Promise<Duplex> {
    const { pin, name = host } = this.#options;
    const secure = connect({
      socket: stream,
      ...(isIP(name) === 0 ? { servername: name } : { host: name }),
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
      rejectUnauthorized: pin === undefined,
    } as ConnectionOptions);
    await established(secure, "secureConnect", { stream, over });
    const found = secure.getPeerCertificate().fingerprint256?.replaceAll(":", "").toLowerCase();
    if (pin !== undefined && found !== pin) {
      secure.destroy();
      throw new Failure(`the certificate is not the one of --tls-pin: its SHA-256 is ${found}`);
    }
    return secure;
  }

  async accept(stream: Duplex, over: AbortSignal): Promise<Duplex> {
    const options = { isServer: true, secureContext: this.#server!, allowHalfOpen: true };
    const secure = new TLSSocket(stream as ConstructorParameters<typeof TLSSocket>[0], options);
    await established(secure, "secure", { stream, over });
    return secure;
  }
}

/** A client that says nothing has this long: it is one of those that are counted by --max-clients. */
const HANDSHAKE_MS = 10_000;

/** `over`: nobody waits for it any more. */
async function established(
  secure: TLSSocket,
  event: string,
  { stream, over }: { stream: Duplex; over: AbortSignal },
): Promise<void> {
  const late = AbortSignal.timeout(HANDSHAKE_MS);
  const signal = AbortSignal.any([late, over]);
  const closed = (): void => void secure.destroy(new Failure("it closed before TLS was there"));
  stream.once("close", closed);
  secure.once("end", closed);
  try {
    await once(secure, event, { signal });
  } catch (error) {
    secure.on("error", () => {});
    secure.destroy();
    stream.destroy();
    throw late.aborted ? new Failure("it did not answer in TLS within 10 s") : error;
  } finally {
    stream.off("close", closed);
    secure.off("end", closed);
  }
}

/** For the command line: SHA-256 in hex, with or without colons and `sha256:` in front. */
export function pinOf(text: string): string {
  const pin = text
    .replace(/^sha256:/i, "")
    .replaceAll(":", "")
    .toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(pin)) {
    throw new UsageError(`--tls-pin ${text}: expected the SHA-256 of a certificate, 64 digits in hex`);
  }
  return pin;
}
