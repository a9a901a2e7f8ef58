import { frames } from "../wire/frames";
import { type Message, type Request, readMessage } from "../wire/messages";
import { unpacked } from "../wire/packed";
import { RefusedError, type Source } from "./source";

/**
 * The blocks inside an exported file. A block holds, as base64 of gzip, the very stream of messages that a server would
 * have answered a request with; it is decoded when somebody asks.
 */
export class EmbeddedSource implements Source {
  constructor(private readonly block: (name: string) => string | null) {}

  async *request(request: Request, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<Message> {
    const name = nameOf(request);
    const text = name === null ? null : this.block(name);
    if (text === null) throw new RefusedError("refused", refusal(request));
    for await (const message of messages(text)) {
      signal.throwIfAborted();
      if (message.type === "trace" && message.trace !== request.trace) {
        throw new RefusedError("unknown", "This file holds another trace than the address names.");
      }
      yield message.type === "layer" ? unpacked(message) : message;
    }
  }
}

/** The block that answers a request; null where none does. */
function nameOf({ type, stack, layer, filter }: Request): string | null {
  switch (type) {
    case "hello":
    case "trace":
      return type;
    case "overview":
      return filter === undefined || filter === "all" ? `${type} ${stack}` : `${type} ${stack} ${filter}`;
    case "layer":
    case "values":
      return `${type} ${stack} ${layer}`;
    default:
      return null;
  }
}

function refusal({ type, layer }: Request): string {
  if (type === "layer" || type === "values") return `Layer ${String(layer)} was left out of this file.`;
  return "This file holds what was computed when it was written; nothing else can be computed here.";
}

async function* messages(block: string): AsyncGenerator<Message> {
  const packed = new Blob([fromBase64(block)]).stream();
  for await (const bytes of frames(packed.pipeThrough(new DecompressionStream("gzip")))) {
    yield readMessage(bytes);
  }
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at);
  return bytes;
}
