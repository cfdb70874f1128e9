package palimpsest.house.planted.upstairs;

import palimpsest.house.planted.downstairs.Lower;

/** A class of an upper floor that rightly uses one below, and also does what only the CLI may. */
public final class Upper {
  public Lower below;

  /** Prints and exits. */
  public void misbehave() {
    System.err.println("planted");
    System.exit(1);
  }
}
