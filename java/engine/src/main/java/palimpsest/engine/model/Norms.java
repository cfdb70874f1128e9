package palimpsest.engine.model;

import java.util.Locale;

/**
 * Where the norm of an example's gradient comes from when the gradient itself is too large to be
 * held. It settles the factor that clipping multiplies by; the bound that clipping keeps rests on
 * neither ({@code docs/privacy.md}, "Verified clipping").
 */
public enum Norms {
  /** Computed, but for rounding. */
  EXACT,

  /** Estimated from products with public random vectors, for all but short examples. */
  SKETCHED;

  /** One word, as written in files and on the command line. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }
}
