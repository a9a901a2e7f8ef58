import { createSignal, For, type JSX, Show } from "solid-js";
import { changeWords } from "../../figures/changeWords";
import { putChanges } from "../../state/changes";
import { type EditForm, editOf, type FormKind } from "../../state/editForm";
import { sentenceOf } from "../../state/failure";
import { currentPass, neuronHead } from "../../state/state";
import type { Page } from "../page/page";

const KINDS: readonly (readonly [FormKind, string])[] = [
  ["head", "scale the output of a head"],
  ["weight", "set a weight"],
  ["cut", "cut lines"],
  ["neurons", "scale neurons"],
];

/** Adds a change by naming its head, tokens or neurons. */
export function AddForm(props: { readonly page: Page; readonly close: () => void }) {
  const { page } = props;
  const { session, state } = page;
  const { stack, layer } = state().selection;
  const [form, setForm] = createSignal<EditForm>({
    ...{ kind: "head", stack, head: `${layer}.${neuronHead(state())}`, query: "", key: "" },
    ...{ dims: "", vector: "q", number: "0" },
  });
  const [problem, setProblem] = createSignal<string | null>(null);
  const set = (part: Partial<EditForm>): void => {
    setProblem(null);
    setForm({ ...form(), ...part });
  };
  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    const pass = currentPass(state());
    if (pass === null) return;
    try {
      const edit = editOf(form(), pass);
      const { place, what, kind } = changeWords(edit, pass);
      session.change(putChanges(state().changes, [edit]), `change ${what || kind} of ${place}`);
      props.close();
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  };
  const stacks = () => Object.keys(currentPass(state())?.stacks ?? {});
  const line = () => form().kind === "weight" || form().kind === "cut";
  const field = (
    label: string,
    name: "head" | "query" | "key" | "dims" | "number",
    hint: string,
  ): JSX.Element => (
    <label>
      <span>{label}</span>
      <input
        type="text"
        value={form()[name]}
        placeholder={hint}
        autocomplete="off"
        spellcheck={false}
        data-testid={`add-${name}`}
        on:input={(event) => set({ [name]: event.currentTarget.value })}
      />
    </label>
  );
  return (
    <form
      class="add-form"
      on:submit={add}
      on:keydown={(event) => {
        if (event.key !== "Escape") event.stopPropagation();
      }}
    >
      <label>
        <span>Change</span>
        <select
          data-first
          data-testid="add-kind"
          on:change={(event) => set({ kind: event.currentTarget.value as FormKind })}
        >
          <For each={KINDS}>{([kind, title]) => <option value={kind}>{title}</option>}</For>
        </select>
      </label>
      <Show when={stacks().length > 1}>
        <label>
          <span>Stack</span>
          <select on:change={(event) => set({ stack: event.currentTarget.value })}>
            <For each={stacks()}>
              {(name) => (
                <option value={name} selected={name === form().stack}>
                  {name}
                </option>
              )}
            </For>
          </select>
        </label>
      </Show>
      {field("Head", "head", "9.4")}
      <Show when={line()}>
        {field("Query", "query", "a word, the#2, 4 or 4-5")}
        {field("Key", "key", "a word, the#2, 4 or 4-5")}
      </Show>
      <Show when={form().kind === "neurons"}>
        <label>
          <span>Vector</span>
          <select on:change={(event) => set({ vector: event.currentTarget.value as EditForm["vector"] })}>
            <For each={["q", "k", "v"]}>{(name) => <option value={name}>{name}</option>}</For>
          </select>
        </label>
        {field("Dimensions", "dims", "10, 42")}
      </Show>
      <Show when={form().kind !== "cut"}>
        {field(
          form().kind === "weight" ? "Weight" : "Factor",
          "number",
          form().kind === "weight" ? "0 to 1" : "0 is off",
        )}
      </Show>
      <Show when={problem()}>
        <p class="problem" role="alert" data-testid="add-problem">
          {problem()}
        </p>
      </Show>
      <button type="submit" class="ghost small" data-testid="add-submit">
        Add
      </button>
    </form>
  );
}
