import {
  type EffectMessage,
  type FileContents,
  type Message,
  type OverviewMessage,
  type Request,
  type TraceMessage,
  VERSION,
} from "../wire/messages";
import { unpacked } from "../wire/packed";
import { DamagedError, type Tensor } from "../wire/safetensors";
import { messagesOf } from "./blocks";
import { LayerCache } from "./layerCache";
import { HostError, hostError, type Source } from "./source";

type LayerMessage = Extract<Message, { type: "layer" }>;
type ComparedPass = NonNullable<FileContents["baseline"]>;

/** Computes one edge in every head from the layers of a stack, added one after another. */
export interface EdgeCollector {
  add(layer: LayerMessage): void;
  tensors(): Map<string, Tensor>;
}
export type CollectEdge = (query: number, key: number, trace: TraceMessage, stack: string) => EdgeCollector;

const NOT_INCLUDED = "This part is not included in this file.";
const NO_MODEL = "This file is an offline copy without the model, so it cannot run anything.";
const OTHER_FILE = "This link belongs to another file: the trace it names is not in this one.";
const OTHER_PAIR =
  "This file compares only the two passes that it was made with, the second minus the first.";
const OTHER_EFFECT =
  "This file has only the effect that it was made with. Open the trace with its model for another answer or position.";

/** What an `effect` request can ask for. */
const EFFECT_CHOICES = ["answer", "foil", "metric", "position"] as const;

/**
 * The blocks inside an exported file, decoded on request. A file with a baseline has two passes. Messages of the baseline that
 * equal those of the current pass are in the file once; `hello` lists their layers.
 */
export class EmbeddedSource implements Source {
  readonly #layers = new LayerCache();
  #comparedPass: Promise<ComparedPass | null> | null = null;

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
    const { type, stack, layer } = request;
    if (type === "edge") yield* this.#edge(request);
    else if (type === "layer") yield await this.#layer(request.trace, String(stack), Number(layer));
    else if (type === "hello") yield* this.#messages("hello");
    else if (type === "trace") yield await this.#trace(request.trace);
    else if (type === "values") yield await this.#values(request.trace, String(stack), Number(layer));
    else if (type === "overview") yield* this.#overview(request);
    else if (type === "align") yield* this.#aligned(request);
    else if (type === "effect") yield* this.#effect(request);
    else throw new HostError("unsupported", NO_MODEL);
  }

  async #trace(wanted: unknown): Promise<TraceMessage> {
    const name = (await this.#isBaseline(wanted)) ? "baseline trace" : "trace";
    for await (const message of this.#messages(name)) {
      if (message.type !== "trace") continue;
      if (message.trace !== wanted) throw new HostError("unknown", OTHER_FILE);
      return message;
    }
    throw new HostError("unsupported", NOT_INCLUDED);
  }

  async #layer(trace: unknown, stack: string, layer: number): Promise<LayerMessage> {
    const { name, shared } = await this.#place(trace, `layer ${stack}`, layer);
    const kept = this.#layers.get(name) ?? (await this.#read(name, stack, layer));
    return shared ? { ...kept, trace: String(trace) } : kept;
  }

  async #read(name: string, stack: string, layer: number): Promise<LayerMessage> {
    const missing = `Layer ${layer} is not included in this file.`;
    for await (const message of this.#messages(name, missing)) {
      if (message.type !== "layer") continue;
      if (message.stack !== stack || message.layer !== layer)
        throw new DamagedError(`The file has another layer in the place of layer ${layer}.`);
      return this.#layers.keep(name, unpacked(message));
    }
    throw new HostError("unsupported", missing);
  }

  async #values(trace: unknown, stack: string, layer: number): Promise<Message> {
    const { name, shared } = await this.#place(trace, `values ${stack}`, layer);
    for await (const message of this.#messages(name))
      if (message.type === "values") return shared ? { ...message, trace: String(trace) } : message;
    throw new HostError("unsupported", NOT_INCLUDED);
  }

  /** The block that has the layer of a pass, and whether it is that of the other pass. */
  async #place(trace: unknown, kind: string, layer: number): Promise<{ name: string; shared: boolean }> {
    const name = `${kind} ${layer}`;
    const baseline = await this.#baseline();
    if (baseline === null || baseline.trace !== trace) return { name, shared: false };
    const shared = layersOf(baseline, kind).has(layer);
    return { name: shared ? name : `baseline ${name}`, shared };
  }

  async *#overview(request: Request): AsyncGenerator<Message> {
    const { trace, stack, filter, baseline } = request;
    const part = `${stack}${filter === undefined || filter === "all" ? "" : ` ${filter}`}`;
    if (baseline !== undefined && baseline !== null) yield* this.#differences(request, part);
    else if (await this.#isBaseline(trace)) yield* this.#overviewOfBaseline(part);
    else yield* this.#messages(`overview ${part}`);
  }

  async *#overviewOfBaseline(part: string): AsyncGenerator<Message> {
    const baseline = await this.#baseline();
    if (baseline === null) return;
    const shared = layersOf(baseline, `overview ${part}`);
    const found: OverviewMessage[] = [];
    if (shared.size === 0 || this.block(`baseline overview ${part}`) !== null)
      found.push(...(await this.#overviews(`baseline overview ${part}`)));
    if (shared.size > 0) {
      const both = await this.#overviews(`overview ${part}`);
      found.push(...both.filter(({ layer }) => shared.has(layer)));
    }
    found.sort((a, b) => a.layer - b.layer);
    for (const [at, one] of found.entries())
      yield { ...one, trace: baseline.trace, last: at === found.length - 1 };
  }

  /** The thumbnails of the current pass together with how they differ from those of the baseline. */
  async *#differences(request: Request, part: string): AsyncGenerator<Message> {
    await this.#requirePair(request);
    const name = `difference ${part}`;
    const differences = this.block(name) === null ? [] : await this.#overviews(name);
    const byLayer = new Map(differences.map((one) => [one.layer, one]));
    for await (const message of this.#messages(`overview ${part}`)) {
      const difference = message.type === "overview" ? byLayer.get(message.layer) : undefined;
      if (difference === undefined) yield message;
      else {
        const { last, tensors } = message;
        yield { ...difference, last, tensors: new Map([...tensors, ...difference.tensors]) };
      }
    }
  }

  async *#aligned(request: Request): AsyncGenerator<Message> {
    await this.#requirePair(request);
    yield* this.#messages("align");
  }

  async *#effect(request: Request): AsyncGenerator<Message> {
    await this.#requirePair(request);
    for await (const message of this.#messages("effect")) {
      if (message.type === "error") throw hostError(message);
      if (message.type === "effect") {
        if (!EFFECT_CHOICES.every((choice) => isStored(request[choice], message, choice)))
          throw new HostError("unsupported", OTHER_EFFECT);
      }
      yield message;
    }
  }

  async *#edge(request: Request): AsyncGenerator<Message> {
    const [query, key, stack] = [Number(request.query), Number(request.key), String(request.stack)];
    const trace = await this.#trace(request.trace);
    const collected = this.collectEdge(query, key, trace, stack);
    for (const [layer, shape] of (trace.stacks[stack]?.shapes ?? []).entries()) {
      if (shape !== null) collected.add(await this.#layer(trace.trace, stack, layer));
    }
    const place = { trace: trace.trace, stack, query, key, tensors: collected.tensors() };
    yield { v: VERSION, id: "edge", type: "edge", last: true, ...place };
  }

  /** Throws unless the file compares these two traces. */
  async #requirePair({ trace, baseline }: Request): Promise<void> {
    const known = await this.#baseline();
    if (known === null || baseline !== known.trace || trace === known.trace)
      throw new HostError("unsupported", OTHER_PAIR);
  }

  async #isBaseline(trace: unknown): Promise<boolean> {
    return (await this.#baseline())?.trace === trace;
  }

  /** The pass that the file compares its trace with; null if there is none. */
  #baseline(): Promise<ComparedPass | null> {
    this.#comparedPass ??= this.#readBaseline();
    return this.#comparedPass;
  }

  async #readBaseline(): Promise<ComparedPass | null> {
    if (this.block("hello") === null) return null;
    for await (const message of this.#messages("hello"))
      if (message.type === "hello") return message.file?.baseline ?? null;
    return null;
  }

  async #overviews(name: string): Promise<readonly OverviewMessage[]> {
    const found: OverviewMessage[] = [];
    for await (const message of this.#messages(name)) if (message.type === "overview") found.push(message);
    return found;
  }

  async *#messages(name: string, missing = NOT_INCLUDED): AsyncGenerator<Message> {
    const text = this.block(name);
    if (text === null) throw new HostError("unsupported", missing);
    yield* messagesOf(text);
  }
}

/** Whether the stored effect is the one that is asked for; without a wish, any is. */
function isStored(asked: unknown, effect: EffectMessage, choice: (typeof EFFECT_CHOICES)[number]): boolean {
  if (asked === undefined || asked === null) return true;
  if (choice === "position") return asked === effect.position;
  if (choice === "metric") return asked === effect.metric?.name;
  const stored = effect.metric?.[choice];
  return stored != null && (asked === stored.text || asked === stored.id);
}

/** The layers of which the baseline's messages of this kind are those of the current pass. */
function layersOf(baseline: ComparedPass, kind: string): ReadonlySet<number> {
  return new Set(Object.hasOwn(baseline.shared, kind) ? baseline.shared[kind] : []);
}
