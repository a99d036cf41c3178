// A state: shape, word, and what more there is to say ("waiting 12 min").

import { look } from "../text/states";

interface Props {
  state: string;
  /** Said after the word, muted: how long, how much. */
  more?: string | undefined;
  title?: string | undefined;
}

export function State({ state, more, title }: Props) {
  const { shape, tone, word } = look(state);
  return (
    <span class={`state ${tone}`} title={title}>
      <span class="state-word">
        <span class="shape" aria-hidden="true">
          {shape}
        </span>
        {word}
      </span>
      {more && <span class="muted"> {more}</span>}
    </span>
  );
}
