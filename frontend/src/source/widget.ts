import { type Message, type Request, readMessage, VERSION } from "../wire/messages";
import { DisconnectedError, refusal, type Source } from "./source";

/** What anywidget gives a view of its model. */
export interface WidgetModel {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown, callbacks?: unknown, buffers?: readonly ArrayBufferView[]): void;
  on(name: string, callback: (...details: readonly unknown[]) => void): void;
  off(name: string, callback: (...details: readonly unknown[]) => void): void;
  readonly widget_manager?: unknown;
}

/** The bytes of a response, or the sign that the request arrived. */
type News = Uint8Array | "received";

/** Without a sign that a request arrived, the kernel runs a cell. */
const BUSY_AFTER_MS = 1000;
const LOOK_AGAIN_MS = 1000;
const BUSY = "Kernel busy: this goes on when the running cell is done.";

/** A kernel, reached over the custom messages of a notebook's widget: `received` first, then wire bytes as buffers. */
export class WidgetSource implements Source {
  readonly #page = crypto.getRandomValues(new Uint32Array(3)).join("-");
  readonly #waiting = new Map<string, (news: News) => void>();
  #asked = 0;

  /** `gone` tells whether nobody will ever answer. */
  constructor(
    private readonly model: WidgetModel,
    private readonly gone: () => boolean,
  ) {
    model.on("msg:custom", this.#hear);
  }

  async *request(request: Request, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<Message> {
    this.#asked += 1;
    const id = `${this.#page}-${this.#asked}`;
    const news: News[] = [];
    let wake = (): void => undefined;
    const look = (): void => wake();
    this.#waiting.set(id, (one) => {
      news.push(one);
      wake();
    });
    signal.addEventListener("abort", look);
    let received = false;
    let busy = false;
    let last = false;
    try {
      const { image, ...fields } = request;
      this.#send({ v: VERSION, id, page: this.#page, ...fields }, image);
      while (!last) {
        signal.throwIfAborted();
        const next = news.shift();
        if (next === undefined) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, received ? LOOK_AGAIN_MS : BUSY_AFTER_MS);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
          if (news.length > 0 || signal.aborted) continue;
          if (this.gone()) throw new DisconnectedError(KERNEL_ENDED);
          if (!received && !busy) {
            busy = true;
            yield progress(id, BUSY);
          }
        } else if (next === "received") {
          received = true;
          if (busy) yield progress(id, "");
        } else {
          const message = readMessage(next);
          last = message.last;
          if (message.type === "error") throw refusal(message);
          yield message;
        }
      }
    } finally {
      signal.removeEventListener("abort", look);
      this.#waiting.delete(id);
      if (!last && !this.gone()) this.#send({ v: VERSION, id: `${id}-cancel`, type: "cancel", target: id });
    }
  }

  /** No answer is taken any more. */
  close(): void {
    this.model.off("msg:custom", this.#hear);
  }

  readonly #hear = (content: unknown, buffers: unknown): void => {
    const { received, answer } = content as { readonly received?: string; readonly answer?: string };
    if (received !== undefined) this.#waiting.get(received)?.("received");
    if (answer === undefined) return;
    const [view] = buffers as readonly ArrayBufferView<ArrayBuffer>[];
    this.#waiting.get(answer)?.(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  };

  #send(message: Readonly<Record<string, unknown>>, image?: Uint8Array): void {
    try {
      if (image === undefined) this.model.send({ request: message });
      else this.model.send({ request: message }, undefined, [image]);
    } catch (cause) {
      throw new DisconnectedError(KERNEL_ENDED, { cause });
    }
  }
}

/** What is told of a kernel that will never answer. */
export const KERNEL_ENDED = "The kernel that ran this cell has ended. Run the cell again to go on.";

/** What a page says while nobody answers; an empty text: somebody does again. */
function progress(id: string, text: string): Message {
  return {
    v: VERSION,
    id,
    type: "progress",
    last: false,
    tensors: new Map(),
    stage: "wait",
    done: 0,
    total: 0,
    text,
  };
}
