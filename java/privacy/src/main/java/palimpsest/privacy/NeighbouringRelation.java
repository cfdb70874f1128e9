package palimpsest.privacy;

import java.util.Locale;

/**
 * Which pairs of data sets the guarantee compares. A run has one relation, and clipping, sampling
 * and accounting all read it from the run's {@link MechanismSpec}: mixing two relations in one run
 * voids the guarantee.
 */
public enum NeighbouringRelation {
  /** One record is added or removed: the clipped sum moves by at most the clip norm C. */
  ADD_REMOVE,
  /** One record is replaced by another, the size stays: the clipped sum moves by at most 2 C. */
  REPLACE_ONE;

  /** The relation as people write it: {@code add-remove}, {@code replace-one}. */
  public String words() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
