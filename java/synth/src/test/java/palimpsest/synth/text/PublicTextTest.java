package palimpsest.synth.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PublicTextTest {
  @TempDir Path folder;

  private List<String> documents(String content, Optional<String> separator) throws IOException {
    Path plain = Files.writeString(folder.resolve("text.txt"), content);
    Path packed = folder.resolve("text.txt.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(packed))) {
      out.write(content.getBytes(StandardCharsets.UTF_8));
    }
    List<String> read = strings(PublicText.documents(plain, separator));
    assertEquals(read, strings(PublicText.documents(packed, separator)));
    return read;
  }

  private static List<String> strings(List<byte[]> documents) {
    return documents.stream().map(bytes -> new String(bytes, StandardCharsets.UTF_8)).toList();
  }

  @Test
  void aFileIsOneDocument() throws IOException {
    assertEquals(List.of("a\n---\nb\n"), documents("a\n---\nb\n", Optional.empty()));
  }

  @Test
  void aLineStandsBetweenDocuments() throws IOException {
    Optional<String> line = Optional.of("---");
    assertEquals(List.of("a\n", "b\n"), documents("a\n---\nb\n", line));
    assertEquals(List.of("a\r\n", "b"), documents("---\na\r\n---\r\nb", line));
    assertEquals(
        List.of("a ---\n--- b\n----\n"), documents("a ---\n--- b\n----\n---\n \t\n", line));
    assertEquals(List.of("x\n", "y\n"), documents("x\n\ny\n\n\n", Optional.of("")));
  }

  @Test
  void whatCannotBeReadIsOneLine() throws IOException {
    assertThrows(
        InputException.class, () -> PublicText.documents(folder.resolve("none"), Optional.empty()));
    assertThrows(InputException.class, () -> documents(" \n\t", Optional.empty()));
    Path broken = Files.writeString(folder.resolve("broken.gz"), "no gzip");
    assertThrows(InputException.class, () -> PublicText.documents(broken, Optional.empty()));
  }
}
