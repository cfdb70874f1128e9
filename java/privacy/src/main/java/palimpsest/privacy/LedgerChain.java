package palimpsest.privacy;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SequencedMap;

/**
 * The content of a ledger file: canonical lines, each with its number and with the HMAC-SHA256,
 * under the account's secret, of the previous such hash and its own text. Pure: no files.
 *
 * @param records what the lines say
 * @param hashes hash of each line
 * @param completeBytes length of the complete lines
 * @param tornBytes bytes of an unfinished line after them, which a crash left
 */
record LedgerChain(
    List<LedgerRecord> records, List<String> hashes, long completeBytes, long tornBytes) {
  /** The hash before the first record. */
  static final String ORIGIN = "0".repeat(64);

  /** Longest line, without its end. */
  static final int MAX_LINE = 4096;

  LedgerChain {
    records = List.copyOf(records);
    hashes = List.copyOf(hashes);
  }

  /** The end of the chain. */
  LedgerHead head() {
    return new LedgerHead(hashes.size(), hashes.isEmpty() ? ORIGIN : hashes.getLast());
  }

  /** Whether the chain had this end once: all that stood before it is still there, unchanged. */
  boolean contains(LedgerHead earlier) {
    if (earlier.count() == 0) {
      return earlier.hash().equals(ORIGIN);
    }
    return earlier.count() <= hashes.size()
        && hashes.get((int) earlier.count() - 1).equals(earlier.hash());
  }

  /**
   * The line of a record, with its end.
   *
   * @throws LedgerException if {@link #read} would refuse it
   */
  static String line(LedgerRecord record, LedgerHead head, LedgerSecret secret) {
    SequencedMap<String, Object> fields = LedgerCodec.fields(record);
    fields.putFirst("number", head.count());
    String hash = hash(head.hash(), FlatJson.write(fields), secret);
    fields.putLast("hash", hash);
    String line = FlatJson.write(fields) + "\n";
    requireReadable(line, record);
    return line;
  }

  /** A line that cannot be read back would make the account unusable for good. */
  private static void requireReadable(String line, LedgerRecord record) {
    byte[] bytes = line.getBytes(StandardCharsets.US_ASCII);
    int index = record instanceof LedgerRecord.Genesis ? 0 : 1;
    SequencedMap<String, Object> fields = fields(bytes, 0, bytes.length - 1, index);
    fields.remove("number");
    fields.remove("hash");
    if (!record(fields, index).equals(record)) {
      throw broken(index, "it would be read as another");
    }
  }

  /** The head after a line that {@link #line} made. */
  static LedgerHead headAfter(String line, LedgerHead before) {
    int hash = line.length() - "\"}\n".length() - ORIGIN.length();
    return new LedgerHead(before.count() + 1, line.substring(hash, hash + ORIGIN.length()));
  }

  private static String hash(String previous, String body, LedgerSecret secret) {
    return secret.code(
        "line ", HexFormat.of().parseHex(previous), body.getBytes(StandardCharsets.US_ASCII));
  }

  /**
   * Reads and checks every line.
   *
   * @throws LedgerException naming the first line that is changed, missing, repeated or out of
   *     order
   */
  static LedgerChain read(byte[] bytes, LedgerSecret secret) {
    List<LedgerRecord> records = new ArrayList<>();
    List<String> hashes = new ArrayList<>();
    String previous = ORIGIN;
    int from = 0;
    for (int to = end(bytes, from); to >= 0; to = end(bytes, from)) {
      SequencedMap<String, Object> fields = fields(bytes, from, to, records.size());
      Object hash = fields.remove("hash");
      if (!hash(previous, FlatJson.write(fields), secret).equals(hash)) {
        throw broken(records.size(), "its hash does not match: it was changed, moved or removed");
      }
      if (!Long.valueOf(records.size()).equals(fields.remove("number"))) {
        throw broken(records.size(), "it has another number");
      }
      records.add(record(fields, records.size()));
      previous = (String) hash;
      hashes.add(previous);
      from = to + 1;
    }
    if (bytes.length - from > MAX_LINE) {
      throw broken(records.size(), "it is too long");
    }
    return new LedgerChain(records, hashes, from, bytes.length - from);
  }

  private static int end(byte[] bytes, int from) {
    for (int i = from; i < bytes.length; i++) {
      if (bytes[i] == '\n') {
        return i;
      }
    }
    return -1;
  }

  private static SequencedMap<String, Object> fields(byte[] bytes, int from, int to, int index) {
    if (to - from > MAX_LINE) {
      throw broken(index, "it is too long");
    }
    try {
      CharBuffer text =
          StandardCharsets.US_ASCII
              .newDecoder()
              .decode(ByteBuffer.wrap(Arrays.copyOfRange(bytes, from, to)));
      SequencedMap<String, Object> fields = FlatJson.read(text.toString());
      if (fields.isEmpty()
          || !fields.firstEntry().getKey().equals("number")
          || !fields.lastEntry().getKey().equals("hash")) {
        throw broken(index, "it has no number or hash");
      }
      return fields;
    } catch (CharacterCodingException | IllegalArgumentException e) {
      throw broken(index, "it is not a ledger line");
    }
  }

  private static LedgerRecord record(SequencedMap<String, Object> fields, int index) {
    try {
      LedgerRecord record = LedgerCodec.record(fields);
      if ((index == 0) != record instanceof LedgerRecord.Genesis) {
        throw broken(index, "the first record, and no other, names the data set");
      }
      return record;
    } catch (IllegalArgumentException | ArithmeticException | NullPointerException e) {
      throw broken(index, "its content is invalid");
    }
  }

  private static LedgerException broken(int index, String why) {
    return new LedgerException("line " + (index + 1) + " is broken: " + why);
  }
}
