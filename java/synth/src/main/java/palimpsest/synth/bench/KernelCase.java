package palimpsest.synth.bench;

/**
 * One kernel on one shape.
 *
 * @param work FLOP or bytes of a run, as docs/kernels.md counts them
 * @param roof what the rate is measured against
 */
record KernelCase(String name, double work, Roof roof, Runnable run) {
  /** What limits a kernel. */
  enum Roof {
    /** Multiply-adds of the compute type. */
    COMPUTE("GFLOP/s"),
    /** Multiply-adds in float32, whatever the operands are stored in. */
    FLOAT32("GFLOP/s"),
    /** Bytes read and written by a copy that no cache holds. */
    COPY("GB/s");

    private final String unit;

    Roof(String unit) {
      this.unit = unit;
    }

    String unit() {
      return unit;
    }
  }
}
