import { frames } from "../wire/frames";
import { type Message, type Request, type TraceMessage, VERSION } from "../wire/messages";
import { unpacked } from "../wire/packed";
import { readMessage } from "../wire/readMessage";
import { DamagedError, type Tensor } from "../wire/safetensors";
import { HostError, type Source } from "./source";

type LayerMessage = Extract<Message, { type: "layer" }>;

/** Computes one edge in every head from the layers of a stack, added one after another. */
export interface EdgeCollector {
  add(layer: LayerMessage): void;
  tensors(): Map<string, Tensor>;
}
export type CollectEdge = (query: number, key: number, trace: TraceMessage, stack: string) => EdgeCollector;

/** Bytes of decoded layers in the cache. */
const CACHE_BYTES = 128 * 2 ** 20;

/**
 * The blocks inside an exported file. A block contains, as base64 of gzip, the same stream of messages that a server would
 * send in response to a request. It is decoded on request.
 */
export class EmbeddedSource implements Source {
  readonly #layers = new Map<string, LayerMessage>();
  #bytes = 0;

  constructor(
    private readonly block: (name: string) => string | null,
    private readonly collectEdge: CollectEdge,
  ) {}

  async *request(request: Request, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<Message> {
    for await (const message of this.#answers(request)) {
      signal.throwIfAborted();
      yield message;
    }
  }

  async *#answers(request: Request): AsyncGenerator<Message> {
    const { type, stack, layer, filter } = request;
    if (type === "edge") yield* this.#edge(request);
    else if (type === "layer") yield await this.#layer(`layer ${stack} ${layer}`, String(layer));
    else if (type === "hello") yield* this.#messages("hello");
    else if (type === "trace") yield* this.#trace(request.trace);
    else if (type === "values") yield* this.#messages(`values ${stack} ${layer}`);
    else if (type === "overview") {
      yield* this.#messages(
        `overview ${stack}${filter === undefined || filter === "all" ? "" : ` ${filter}`}`,
      );
    } else {
      throw new HostError(
        "unsupported",
        "This file is an offline copy without the model, so it cannot run anything.",
      );
    }
  }

  async *#trace(wanted: unknown): AsyncGenerator<Message> {
    for await (const message of this.#messages("trace")) {
      if (message.type === "trace" && message.trace !== wanted) {
        throw new HostError(
          "unknown",
          "This link belongs to another file: the trace it names is not in this one.",
        );
      }
      yield message;
    }
  }

  async #layer(name: string, layer: string): Promise<LayerMessage> {
    const kept = this.#layers.get(name);
    if (kept !== undefined) return kept;
    const missing = `Layer ${layer} is not included in this file.`;
    for await (const message of this.#messages(name, missing)) {
      if (message.type !== "layer") continue;
      if (`layer ${message.stack} ${message.layer}` !== name)
        throw new DamagedError(`The file has another layer in the place of layer ${layer}.`);
      return this.#keep(name, unpacked(message));
    }
    throw new HostError("unsupported", missing);
  }

  #keep(name: string, layer: LayerMessage): LayerMessage {
    const size = (one: LayerMessage) =>
      [...one.tensors.values()].reduce((sum, t) => sum + t.data.byteLength, 0);
    this.#layers.set(name, layer);
    this.#bytes += size(layer);
    for (const [oldest, one] of this.#layers) {
      if (this.#bytes <= CACHE_BYTES) break;
      this.#layers.delete(oldest);
      this.#bytes -= size(one);
    }
    return layer;
  }

  async *#edge(request: Request): AsyncGenerator<Message> {
    const [query, key, stack] = [Number(request.query), Number(request.key), String(request.stack)];
    for await (const trace of this.#trace(request.trace)) {
      if (trace.type !== "trace") continue;
      const collected = this.collectEdge(query, key, trace, stack);
      for (const [layer, shape] of (trace.stacks[stack]?.shapes ?? []).entries()) {
        if (shape !== null) collected.add(await this.#layer(`layer ${stack} ${layer}`, String(layer)));
      }
      const place = { trace: trace.trace, stack, query, key, tensors: collected.tensors() };
      yield { v: VERSION, id: "edge", type: "edge", last: true, ...place };
    }
  }

  async *#messages(
    name: string,
    missing = "This part is not included in this file.",
  ): AsyncGenerator<Message> {
    const text = this.block(name);
    if (text === null) throw new HostError("unsupported", missing);
    const packed = new Blob([fromBase64(text)]).stream();
    try {
      for await (const bytes of frames(packed.pipeThrough(new DecompressionStream("gzip")))) {
        yield readMessage(bytes);
      }
    } catch (cause) {
      throw cause instanceof DamagedError ? cause : damaged(cause); // of a DecompressionStream
    }
  }
}

function damaged(cause: unknown): DamagedError {
  return new DamagedError("This file is damaged: a part of it cannot be decompressed.", { cause });
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  let characters: string;
  try {
    characters = atob(text);
  } catch (cause) {
    throw damaged(cause);
  }
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at);
  return bytes;
}
