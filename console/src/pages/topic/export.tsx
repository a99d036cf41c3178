// Saves a topic's records to a file: from where, how many, as what. The file is made by the service and streamed to the disk.

import { useState } from "preact/hooks";
import { placeMistake } from "../../text/places";
import { AsCommand } from "../../ui/as-command";
import { Choice } from "../../ui/choice";
import { Dialog } from "../../ui/dialog";
import { Field } from "../../ui/field";
import { type Asked, type File, condition, filePath, isBackward, tailCommand } from "./asked";

export function Export({ topic, asked }: { topic: string; asked: Asked }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="export" onClick={() => setOpen(true)}>
        Export …
      </button>
      {isOpen && <ExportDialog topic={topic} asked={asked} onClose={() => setOpen(false)} />}
    </>
  );
}

function ExportDialog({ topic, asked, onClose }: { topic: string; asked: Asked; onClose: () => void }) {
  const [file, setFile] = useState<File>({ format: "ndjson", view: "envelope", from: isBackward(asked.from) ? "-1000" : asked.from, limit: "" });
  const change = (part: Partial<File>) => setFile({ ...file, ...part });
  const mistake = placeMistake(file.from);
  const isLimitWrong = !/^\d*$/.test(file.limit);
  const path = filePath(topic, asked, file);
  const where = condition(asked);
  const isOk = !mistake && !isLimitWrong;
  return (
    <Dialog
      title={`Export ${topic}`}
      onClose={onClose}
      foot={
        isOk ? (
          <a class="button primary" href={path} download={`${topic}.${file.format}`} onClick={() => setTimeout(onClose)}>
            Save
          </a>
        ) : (
          <button type="button" class="primary" disabled>
            Save
          </button>
        )
      }
    >
      <div class="row">
        <Choice
          label="Format"
          of={[
            ["ndjson", "NDJSON"],
            ["csv", "CSV"],
          ]}
          value={file.format}
          onChange={(format) => change({ format, view: format === "csv" ? "flat" : "envelope" })}
        />
        <Choice
          label="Each record is"
          of={[
            ["envelope", "the whole event"],
            ["flat", "the row"],
            ...(file.format === "ndjson" ? ([["diff", "what changed"]] as const) : []),
          ]}
          value={file.view}
          onChange={(view) => change({ view })}
        />
      </div>
      <Field label="From" help="start: all that is kept. -1000: the newest 1,000. now-1h, a time, offset:1842. It ends with what is there now." mistake={mistake}>
        {(ids) => <input {...ids} type="text" autocomplete="off" spellcheck={false} value={file.from} onInput={(event) => change({ from: event.currentTarget.value.trim() })} />}
      </Field>
      <Field label="Records at most" help="Empty: as many as there are." mistake={isLimitWrong ? "a number, or nothing" : undefined}>
        {(ids) => <input {...ids} type="text" inputMode="numeric" autocomplete="off" value={file.limit} onInput={(event) => change({ limit: event.currentTarget.value.trim() })} />}
      </Field>
      <p class="muted">
        {where ? (
          <>
            Only where <code>{where}</code>
          </>
        ) : (
          "Without a filter."
        )}
        {asked.partition && <> Partition {asked.partition} only.</>}
        {asked.key && !where.includes("key.") && <> A key without columns cannot be a condition: all keys are in the file.</>}
      </p>
      {isOk && (
        <AsCommand
          line={file.format === "ndjson" ? tailCommand(topic, { ...asked, from: file.from }, { json: true, limit: file.limit }) : undefined}
          call={{ path, stream: true }}
        />
      )}
    </Dialog>
  );
}
