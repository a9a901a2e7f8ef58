import { type Message, type Request, VERSION } from "../wire/messages";
import { readMessage } from "../wire/readMessage";
import { requestParts } from "../wire/requestParts";
import { DisconnectedError, hostError, type Source } from "./source";

/** The model that anywidget passes to a view. */
export interface WidgetModel {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown, callbacks?: unknown, buffers?: readonly ArrayBufferView[]): void;
  on(name: string, callback: (...details: readonly unknown[]) => void): void;
  off(name: string, callback: (...details: readonly unknown[]) => void): void;
  readonly widget_manager?: unknown;
}

/** The bytes of a response, or the confirmation that the request arrived. */
type Reply = Uint8Array | "received";

/** If the request is not confirmed within this time, the kernel is busy running a cell. */
const BUSY_AFTER_MS = 1000;
const POLL_MS = 1000;
const BUSY = "Kernel busy: waiting for the running cell to finish.";

/** A kernel, reached through a widget's custom messages: first `received`, then wire bytes as buffers. */
export class WidgetSource implements Source {
  readonly #page = crypto.getRandomValues(new Uint32Array(3)).join("-");
  readonly #waiting = new Map<string, (reply: Reply) => void>();
  #count = 0;

  /** `gone` returns whether the kernel has shut down, so that no answer will ever come. */
  constructor(
    private readonly model: WidgetModel,
    private readonly gone: () => boolean,
  ) {
    model.on("msg:custom", this.#hear);
  }

  async *request(request: Request, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<Message> {
    this.#count += 1;
    const id = `${this.#page}-${this.#count}`;
    const replies: Reply[] = [];
    let wake = (): void => undefined;
    const onAbort = (): void => wake();
    this.#waiting.set(id, (reply) => {
      replies.push(reply);
      wake();
    });
    signal.addEventListener("abort", onAbort);
    let received = false;
    let busy = false;
    let last = false;
    try {
      const { fields, tensors } = requestParts(request);
      this.#send({ v: VERSION, id, page: this.#page, ...fields }, tensors);
      while (!last) {
        signal.throwIfAborted();
        const next = replies.shift();
        if (next === undefined) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, received ? POLL_MS : BUSY_AFTER_MS);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
          if (replies.length > 0 || signal.aborted) continue;
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
          if (message.type === "error") throw hostError(message);
          yield message;
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#waiting.delete(id);
      if (!last && !this.gone()) this.#send({ v: VERSION, id: `${id}-cancel`, type: "cancel", target: id });
    }
  }

  /** Stops listening for answers. */
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

  #send(
    message: Readonly<Record<string, unknown>>,
    tensors: Readonly<Record<string, Uint8Array>> = {},
  ): void {
    const names = Object.keys(tensors);
    try {
      if (names.length === 0) this.model.send({ request: message });
      else this.model.send({ request: message, tensors: names }, undefined, Object.values(tensors));
    } catch (cause) {
      throw new DisconnectedError(KERNEL_ENDED, { cause });
    }
  }
}

/** The message for a kernel that has shut down. */
export const KERNEL_ENDED = "The kernel that ran this cell has shut down. Run the cell again to continue.";

/** A progress message while the kernel is busy; an empty text means that it responds again. */
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
