package palimpsest.privacy;

/**
 * The end of a ledger: how many records it has and the hash of the last. Published in a statement,
 * it lets anyone with the ledger and its secret check that nothing before it was removed or
 * changed.
 *
 * @param count number of records
 * @param hash hash of the last record, 64 hexadecimal digits
 */
public record LedgerHead(long count, String hash) {
  /** Checks the form. */
  public LedgerHead {
    if (count < 0 || !hash.matches("[0-9a-f]{64}")) {
      throw new IllegalArgumentException("ledger head: need a count and 64 hexadecimal digits");
    }
  }
}
