package palimpsest.synth;

/** Told how far a run is: steps done and to do, nothing that depends on the records. */
public interface SynthesisListener {
  /** A part of the work begins; {@code steps} is how many it has. */
  void begin(String what, long steps);

  /** So many steps of the present part are done. */
  void done(long steps);

  /** Hears nothing. */
  static SynthesisListener silent() {
    return new SynthesisListener() {
      @Override
      public void begin(String what, long steps) {}

      @Override
      public void done(long steps) {}
    };
  }
}
