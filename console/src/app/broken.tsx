// When a page cannot be shown: it has a mistake of ours.

import type { ComponentChildren } from "preact";
import { Component } from "preact";
import { Page } from "./page";

interface Props {
  /** Another address is another chance. */
  path: string;
  children: ComponentChildren;
}

interface State {
  broke: string | null;
  at: string;
}

/** Shows what went wrong in place of a page that throws; the rest of the console stays. */
export class Boundary extends Component<Props, State> {
  override state: State = { broke: null, at: this.props.path };

  static override getDerivedStateFromProps(props: Props, state: State): Partial<State> | null {
    return props.path === state.at ? null : { broke: null, at: props.path };
  }

  override componentDidCatch(error: unknown) {
    console.error(error);
    this.setState({ broke: error instanceof Error ? error.message : String(error) });
  }

  override render() {
    if (this.state.broke === null) return this.props.children;
    return (
      <Page title="This page has a mistake">
        <p>
          That is the console's fault. It said: <code>{this.state.broke}</code>
        </p>
        <p class="row">
          <button type="button" class="primary" onClick={() => location.reload()}>
            Reload
          </button>
        </p>
      </Page>
    );
  }
}
