/** Threads that do one job together; kernels and passes have none of their own. */
package palimpsest.engine.parallel;
