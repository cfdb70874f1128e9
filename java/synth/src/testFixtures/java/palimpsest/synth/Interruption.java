package palimpsest.synth;

/** Ends a run in its midst, from within. */
final class Interruption extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private Interruption() {}

  /** Interrupts a run when so many steps of a task are done. */
  static SynthesisListener after(long last) {
    return new SynthesisListener() {
      @Override
      public void begin(String what, long steps) {}

      @Override
      public void done(long steps) {
        if (steps == last) {
          throw new Interruption();
        }
      }
    };
  }
}
