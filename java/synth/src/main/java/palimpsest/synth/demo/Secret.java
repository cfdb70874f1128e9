package palimpsest.synth.demo;

import java.util.Objects;

/**
 * A planted secret. It is drawn uniformly from its kind's format, so that its decoys, drawn alike,
 * are exchangeable with it for whoever has not seen the data.
 *
 * @param line the message that holds it, counted from 1
 * @param kind its format
 * @param context the message up to the secret
 * @param text the secret itself
 */
public record Secret(int line, Kind kind, String context, String text) {

  /** The formats of secrets. No number can belong to anybody. */
  public enum Kind {
    /** LQ- and eight digits: the prefix is invented. */
    ACCOUNT,
    /** An area code and 555-01xx: the exchange set aside for fiction. */
    PHONE,
    /** An invented given name and an invented family name. */
    NAME
  }

  /** Checks that nothing is missing. */
  public Secret {
    Objects.requireNonNull(kind, "kind");
    Objects.requireNonNull(context, "context");
    Objects.requireNonNull(text, "text");
    if (line < 1) {
      throw new IllegalArgumentException("a message line counts from 1, got " + line);
    }
  }
}
