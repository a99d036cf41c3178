// Where a connector is changed: in its file, or through the API.

import type { Connector } from "../../api/types";

/** The file that a connector is changed in, or "". */
export const fileOf = (of: Connector): string => (of.managed_by.startsWith("file:") ? of.managed_by.slice(5) : "");
