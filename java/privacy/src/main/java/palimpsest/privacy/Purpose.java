package palimpsest.privacy;

/**
 * What a part of the secret random stream is used for. The purpose is word 0 of the ChaCha20 nonce,
 * so streams of different purposes under one key never share a block.
 */
public enum Purpose {
  /** Gaussian noise on the clipped sum of gradients. */
  NOISE(1),
  /** Which records take part in a step. */
  BATCH_SELECTION(2),
  /** Noise on label counts. */
  LABEL_HISTOGRAM(3),
  /** Canaries of an audit: their content and their inclusion coins. */
  CANARIES(4),
  /** Sampling of tokens and the order of released rows. */
  GENERATION(5),
  /** Further bits of a Gaussian variate whose rounding the first 128 bits do not decide. */
  SLOW_PATH(6),
  /** The block whose hash names a key in the ledger. */
  FINGERPRINT(7),
  /** The key of the next step, which replaces the present one. */
  NEXT_KEY(8),
  /** Noise on the count of records within the clip norm. */
  CLIP_COUNT(9),
  /** How many tuning runs are made. */
  TRIALS(10);

  private final int word;

  Purpose(int word) {
    this.word = word;
  }

  /**
   * Word 0 of the nonce: the number of the purpose in its low byte; the upper bytes are free for
   * sub-streams.
   */
  int word() {
    return word;
  }
}
