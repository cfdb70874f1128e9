package palimpsest.privacy;

/** Whose presence the guarantee hides. */
public enum ProtectedUnit {
  /** One record: a person with several records is protected less. */
  RECORD,
  /** One person, with all records kept for that person. */
  USER
}
