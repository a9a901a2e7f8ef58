/** Files of traces and workspaces: opens them in the session, and saves what is on show with notes and a trail. */

import { createSignal } from "solid-js";
import type { HelloMessage, TraceMessage, TrailEntry, Workspace } from "../wire/messages";
import { writeHash } from "./hash";
import { currentPass, editsMade } from "./state";
import { inputName } from "./stepNames";
import type { createTimeline } from "./timeline";
import type { WorkTracker } from "./work";

export interface FileParts {
  readonly work: WorkTracker;
  readonly timeline: ReturnType<typeof createTimeline>;
  readonly hello: () => HelloMessage | null;
  readonly visit: (hash: string) => Promise<void>;
}

export function createFiles({ work, timeline, hello, visit }: FileParts) {
  const { state } = timeline;
  const [notes, setNotes] = createSignal("");
  const [trail, setTrail] = createSignal<readonly TrailEntry[]>([]);

  /** Sends a file to the session; null if it cannot be opened. */
  async function openFile(file: File): Promise<Workspace | null> {
    const most = hello()?.limits.file_bytes;
    if (most !== undefined && file.size > most) {
      const size = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MB`;
      work.fail(
        new Error(`${file.name} has ${size(file.size)}, but this session opens at most ${size(most)}.`),
      );
      return null;
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    const request = { type: "open", file: bytes, name: file.name } as const;
    return work.ask("open", request, "open", `Opening ${file.name}`);
  }

  /** A trace of the session; null if it has none with this id. */
  const traceOf = (trace: string): Promise<TraceMessage | null> =>
    work.ask("open", { type: "trace", trace }, "trace", "Loading the trace");

  /** Shows a workspace as it was saved; a trace file is one without notes. */
  async function showWorkspace(workspace: Workspace): Promise<void> {
    if (workspace.kind === "workspace") {
      setNotes(workspace.notes);
      setTrail(workspace.trail);
    }
    const { address } = workspace.state;
    const fields = new URLSearchParams(typeof address === "string" ? address : "");
    fields.set("trace", workspace.current);
    if (!fields.has("edits") && workspace.edits.length > 0)
      fields.set("edits", JSON.stringify(workspace.edits));
    if (workspace.baseline !== null) fields.set("baseline", workspace.baseline);
    await visit(fields.toString());
  }

  async function openWorkspace(file: File): Promise<void> {
    const opened = await openFile(file);
    if (opened !== null) await showWorkspace(opened);
  }

  /** The workspace as a file; null if that failed. */
  async function save(): Promise<{ readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> } | null> {
    const { comparison, changes } = state();
    const current = currentPass(state());
    if (current === null) return null;
    const baseline = comparison?.baseline.trace ?? null;
    const request = {
      type: "save",
      traces: [...new Set([current.trace, ...(baseline === null ? [] : [baseline])])],
      ...{ current: current.trace, baseline, edits: editsMade(changes), trail: trail(), notes: notes() },
      state: { address: writeHash(state()) },
    } as const;
    const message = await work.ask("export", request, "save", "Saving the workspace");
    const bytes = message?.tensors.get("file")?.data;
    return message !== null && bytes instanceof Uint8Array
      ? { name: message.name, bytes: bytes.slice() }
      : null;
  }

  /** Adds what is on show to the trail. */
  function keepView(title: string): void {
    const pass = currentPass(state());
    if (pass === null) return;
    const named = title.trim() === "" ? inputName(pass.input) : title.trim();
    setTrail([...trail(), { title: named, address: writeHash(state()) }]);
  }

  return {
    ...{ openFile, traceOf, openWorkspace, showWorkspace, save, notes, setNotes, trail, keepView },
    goTo: ({ address }: TrailEntry): Promise<void> => visit(address),
    forget: (entry: TrailEntry) => setTrail(trail().filter((one) => one !== entry)),
  };
}
