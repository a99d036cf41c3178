// Asks before a connector is paused: nothing is lost by it, but the slot holds WAL meanwhile, and that can fill a disk.

import { act, callOf, DONE, lineOf } from "../../api/connectors";
import { AsCommand } from "../../ui/as-command";
import { Confirm } from "../../ui/confirm";

interface Props {
  name: string;
  onClose: () => void;
  onDone: () => void;
}

export function PauseDialog({ name, onClose, onDone }: Props) {
  return (
    <Confirm title={`Pause ${name}?`} verb="Pause" act={() => act("pause", name)} done={`${name} ${DONE.pause}`} onClose={onClose} onDone={onDone}>
      <p>
        It stops reading, and goes on exactly there when it is resumed. No change is lost. Meanwhile its slot keeps the WAL on the database's
        disk: resume it before that is full.
      </p>
      <AsCommand line={lineOf("pause", name)} call={callOf("pause", name)} />
    </Confirm>
  );
}
