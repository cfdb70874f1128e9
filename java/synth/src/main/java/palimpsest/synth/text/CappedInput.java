package palimpsest.synth.text;

import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;

/** A file's bytes, unpacked if it is gzip, with caps on their number and on the packing ratio. */
final class CappedInput extends FilterInputStream {
  /** Ratios below this are not looked at: a small file may well pack better than any cap. */
  private static final long RATIO_FROM = 64L << 20;

  private final String name;
  private final Counter packed;
  private final RecordOptions.Limits limits;
  private final boolean gzip;
  private long bytes;

  private CappedInput(
      String name, InputStream in, Counter packed, RecordOptions.Limits limits, boolean gzip) {
    super(in);
    this.name = name;
    this.packed = packed;
    this.limits = limits;
    this.gzip = gzip;
  }

  /**
   * Opens a file.
   *
   * @throws InputException if it is missing, empty, or not the kind its name says
   */
  static CappedInput open(Path path, RecordOptions.Limits limits) throws IOException {
    String name = path.toString();
    if (Files.isDirectory(path)) {
      throw new InputException(name + ": is a folder; name a file");
    }
    BufferedInputStream raw = new BufferedInputStream(Files.newInputStream(path), 1 << 16);
    try {
      raw.mark(4);
      int head = 0;
      for (int i = 0; i < 4; i++) {
        head = head << 8 | Math.max(0, raw.read());
      }
      raw.reset();
      Counter packed = new Counter(raw);
      boolean gzip = head >>> 16 == 0x1F8B;
      checkKind(name, head, gzip);
      InputStream in = gzip ? new GZIPInputStream(packed, 1 << 16) : packed;
      return new CappedInput(name, in, packed, limits, gzip);
    } catch (IOException | RuntimeException e) {
      raw.close();
      throw e;
    }
  }

  private static void checkKind(String name, int head, boolean gzip) {
    if (name.endsWith(".gz") && !gzip) {
      throw new InputException(name + ": is not gzip though its name ends in .gz; rename it");
    }
    if (head == 0x504B0304 || head == 0x50415231) {
      throw new InputException(
          name + ": is a zip or parquet file; write the records as CSV, TSV or JSON lines");
    }
    if (head >>> 16 == 0xFFFE || head >>> 16 == 0xFEFF) {
      throw new InputException(name + ": is UTF-16; save it as UTF-8");
    }
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
  }

  @Override
  public int read(byte[] buffer, int from, int length) throws IOException {
    int count = super.read(buffer, from, length);
    bytes += Math.max(0, count);
    if (bytes > limits.fileBytes()) {
      throw new InputException(
          name + ": over " + limits.fileBytes() + " bytes when unpacked; split it");
    }
    if (gzip && bytes > RATIO_FROM && bytes / limits.gzipRatio() > packed.bytes) {
      throw new InputException(
          name + ": unpacks to over " + limits.gzipRatio() + " times its size; unpack it yourself");
    }
    return count;
  }

  private static final class Counter extends FilterInputStream {
    private long bytes;

    Counter(InputStream in) {
      super(in);
    }

    @Override
    public int read() throws IOException {
      int b = super.read();
      bytes += b < 0 ? 0 : 1;
      return b;
    }

    @Override
    public int read(byte[] buffer, int from, int length) throws IOException {
      int count = super.read(buffer, from, length);
      bytes += Math.max(0, count);
      return count;
    }
  }
}
