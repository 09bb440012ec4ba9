/** Entry of a thread of `--workers`. The thread's server is loaded by name, so that the program's own start does not change. */
import { serveInThread } from "./server/worker.ts";

serveInThread();
