/** Runs a module, given as a path, in a process of its own. */
await import(process.argv[2] as string);
