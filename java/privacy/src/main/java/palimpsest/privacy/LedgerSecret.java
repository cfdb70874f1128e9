package palimpsest.privacy;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The random bytes beside a ledger. Who does not know them cannot write a record, seal a head, or
 * test whether a file is one that the ledger has seen.
 */
final class LedgerSecret {
  private static final String ALGORITHM = "HmacSHA256";

  private final SecretKeySpec key;

  /**
   * @param bytes {@link SecretKey#BYTES} of them
   */
  LedgerSecret(byte[] bytes) {
    if (bytes.length != SecretKey.BYTES) {
      throw new IllegalArgumentException("ledger secret: need " + SecretKey.BYTES + " bytes");
    }
    key = new SecretKeySpec(bytes, ALGORITHM);
  }

  /**
   * HMAC-SHA256 as hexadecimal digits.
   *
   * @param purpose keeps codes of one kind from being taken for another's; ends in a space
   */
  String code(String purpose, byte[]... parts) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(key);
      mac.update(purpose.getBytes(StandardCharsets.US_ASCII));
      for (byte[] part : parts) {
        mac.update(part);
      }
      return HexFormat.of().formatHex(mac.doFinal());
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every Java platform has HmacSHA256", e);
    }
  }
}
