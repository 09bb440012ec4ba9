#!/usr/bin/env bun
/** The compiled program's entry: hands the words over and leaves with the code that comes back. */
import { main } from "./cli/cli.ts";

process.exit(await main(process.argv.slice(2), process.env));
