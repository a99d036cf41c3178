// Whether the draft may be made into a connector: what stands against it, and what is only advised. Pure. Promises that what would not
// start is never offered, and that a risk is said in words.

import { counted } from "../../text/format";

export interface Known {
  /** What the wizard itself still lacks: a sentence. */
  lacks: string;
  isChecking: boolean;
  /** Why the database, or the options, could not be looked at. */
  unknown: string;
  /** Options that the service refuses. */
  mistakes: number;
  /** The doctor's findings. */
  fails: number;
  warns: number;
}

export interface Standing {
  may: boolean;
  /** It may be made, though something speaks against it. */
  isRisk: boolean;
  why: string;
}

const list = (parts: readonly (string | false)[]): string => parts.filter(Boolean).join("; ");

export function standing({ lacks, isChecking, unknown, mistakes, fails, warns }: Known): Standing {
  const against = list([
    mistakes > 0 && `${counted(mistakes, "option")} must be corrected`,
    fails > 0 && `${counted(fails, "thing")} must be mended in the database`,
  ]);
  const no = lacks || (isChecking ? "It is being checked." : against && `It would not start: ${against}. See above.`);
  if (no) return { may: false, isRisk: false, why: no };
  const risk = list([
    unknown !== "" && `it could not be checked (${unknown})`,
    warns > 0 && `${counted(warns, "recommendation")} of the doctor's, above`,
  ]);
  return { may: true, isRisk: risk !== "", why: risk && `To be weighed: ${risk}.` };
}
