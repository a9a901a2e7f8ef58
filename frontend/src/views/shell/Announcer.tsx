import { createEffect, createSignal, on } from "solid-js";
import { counted } from "../../marks/format";
import type { Session } from "../../state/session";
import type { Work } from "../../state/work";
import type { TraceMessage } from "../../wire/messages";

/** Progress is spoken when it passes these shares. */
const SPOKEN_SHARES = [0.75, 0.5, 0.25];
const BEGINS: Readonly<Partial<Record<Work["what"], string>>> = {
  run: "Running the model",
  check: "Checking against the model",
};

/** Tells screen readers that a run or a check began, how far it is, and that it ended. Failures and notices speak for themselves. */
export function Announcer(props: { readonly session: Session }) {
  const { session } = props;
  const [spoken, setSpoken] = createSignal("");
  const trace = () => session.state().trace;
  let passed = 0;
  let before = trace();
  const ending = (what: Work["what"], old: TraceMessage | null): string => {
    if (session.failure() !== null) return "";
    const now = trace();
    if (what === "check") {
      return now?.certificate === old?.certificate ? "Check canceled" : (now?.certificate?.sentence ?? "");
    }
    if (now === null || now === old) return "Run canceled";
    const tokens = Object.values(now.tokens).reduce((sum, side) => sum + side.length, 0);
    return `Done: ${counted(tokens, "token")} in ${now.model.title ?? "the model"}`;
  };
  createEffect(
    on(session.work, (work, earlier) => {
      const doing = earlier?.what;
      if (work === null || work.what !== doing) {
        if (doing !== undefined && doing in BEGINS) {
          const old = before;
          // What the request answered is shown just after the work has ended.
          setTimeout(() => {
            if (session.work() === null || !((session.work()?.what ?? "") in BEGINS))
              setSpoken(ending(doing, old));
          });
        }
        if (work === null || !(work.what in BEGINS)) return;
        [passed, before] = [0, trace()];
        setSpoken(BEGINS[work.what] ?? "");
        return;
      }
      if (!(work.what in BEGINS) || work.total === 0) return;
      const share = SPOKEN_SHARES.find((one) => work.done / work.total >= one) ?? 0;
      if (share <= passed) return;
      passed = share;
      setSpoken(`${work.text}, ${100 * share}%`);
    }),
  );
  return (
    <div class="heard" role="status" data-testid="announcer">
      {spoken()}
    </div>
  );
}
