import { encodeMessage } from "../wire/encode";
import { frames } from "../wire/frames";
import { type Message, type Request, VERSION } from "../wire/messages";
import { readMessage } from "../wire/readMessage";
import { requestParts } from "../wire/requestParts";
import { DisconnectedError, HostError, hostError, type Source, stoppedAnswering } from "./source";

/**
 * A local server that accepts JSON and answers with a stream of frames. Closing the connection cancels the request.
 * The server answers only requests with its page key (see pageKey.ts).
 */
export class HttpSource implements Source {
  #count = 0;

  constructor(
    private readonly url: URL,
    private readonly pageKey: string | null = null,
  ) {}

  async *request(request: Request, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<Message> {
    this.#count += 1;
    const { fields, tensors } = requestParts(request);
    const message = { v: VERSION, id: `r${this.#count}`, ...fields };
    const body =
      Object.keys(tensors).length === 0 ? JSON.stringify(message) : encodeMessage(message, tensors);
    const response = await this.#post(body, signal);
    if (!response.ok || response.body === null) throw await errorFrom(response);
    let last = false;
    try {
      for await (const bytes of frames(response.body)) {
        const message = readMessage(bytes);
        if (message.type === "error") throw hostError(message);
        last = message.last;
        yield message;
        if (last) return;
      }
    } catch (cause) {
      if (cause instanceof TypeError)
        throw new DisconnectedError("The connection to attnscope was lost.", { cause });
      throw cause;
    }
    throw stoppedAnswering();
  }

  async #post(body: string | Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<Response> {
    try {
      return await fetch(this.url, {
        method: "POST",
        headers: {
          "Content-Type": typeof body === "string" ? "application/json" : "application/x-safetensors",
          ...(this.pageKey === null ? {} : { "X-Attnscope-Page-Key": this.pageKey }),
        },
        body,
        signal,
        credentials: "same-origin",
      });
    } catch (cause) {
      if (cause instanceof TypeError)
        throw new DisconnectedError("attnscope is not responding. Check that the server is still running.", {
          cause,
        });
      throw cause;
    }
  }
}

/** The error of a failed response: an error message in frames, a JSON `{message}`, or just its status. */
async function errorFrom(response: Response): Promise<Error> {
  const type = response.headers.get("Content-Type") ?? "";
  if (response.body !== null && type.startsWith("application/vnd.attnscope.messages")) {
    for await (const bytes of frames(response.body)) {
      const message = readMessage(bytes);
      if (message.type === "error") return hostError(message);
    }
  }
  const text = (await response.text()).trim();
  const { code, message, fits } = type.startsWith("application/json")
    ? fromJson(text)
    : { code: null, message: text, fits: null };
  return new HostError(
    code ?? CODES[response.status] ?? "unsupported",
    message?.slice(0, MAX_CHARACTERS) || `attnscope answered with status ${response.status}.`,
    fits,
  );
}

const MAX_CHARACTERS = 300;
/** Codes for responses without one, which come from something between the page and attnscope. */
const CODES: Readonly<Record<number, string>> = {
  401: "forbidden",
  403: "forbidden",
  413: "too_large",
  503: "busy",
};

interface ErrorBody {
  readonly code: string | null;
  readonly message: string | null;
  readonly fits: number | null;
}

function fromJson(text: string): ErrorBody {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return { code: null, message: text, fits: null };
    const { code, message, fits } = value as Record<string, unknown>;
    return {
      code: typeof code === "string" ? code : null,
      message: typeof message === "string" ? message : null,
      fits: typeof fits === "number" ? fits : null,
    };
  } catch {
    // Not JSON after all; the text may still be a useful message.
    return { code: null, message: text, fits: null };
  }
}
