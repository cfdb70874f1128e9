package palimpsest.house.planted.downstairs;

import palimpsest.house.planted.upstairs.Upper;

/** A class of a lower floor that wrongly uses one above, in an array. */
public final class Lower {
  public Upper[] above;
}
