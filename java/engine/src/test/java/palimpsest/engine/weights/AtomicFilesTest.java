package palimpsest.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files and folders are there in full or not at all. */
class AtomicFilesTest {
  @TempDir Path folder;

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  @Test
  void aFolderAppearsWholeOrNotAtAll() throws IOException {
    Path out = folder.resolve("out");
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFiles.folder(
                out,
                partial -> {
                  Files.writeString(partial.resolve("first"), "1");
                  throw new IllegalStateException("stopped");
                }));
    assertEquals(List.of(), names());
    AtomicFiles.folder(
        out,
        partial -> {
          Files.writeString(partial.resolve("first"), "1");
          assertFalse(Files.exists(out), "it is not there before it is complete");
        });
    assertEquals(List.of("out"), names());
    assertEquals("1", Files.readString(out.resolve("first")));
  }

  @Test
  void aFileThatCannotBeFinishedLeavesTheOldOne() throws IOException {
    Path file = folder.resolve("file");
    AtomicFiles.file(file, new byte[] {'o', 'l', 'd'});
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFiles.file(
                file,
                channel -> {
                  channel.write(ByteBuffer.wrap(new byte[] {'n'}));
                  throw new IllegalStateException("stopped");
                }));
    assertEquals("old", Files.readString(file));
    assertEquals(List.of("file"), names());
  }

  @Test
  void aFolderThatHoldsSomethingIsKept() throws IOException {
    Files.writeString(folder.resolve("mine"), "keep");
    assertThrows(ModelFileException.class, () -> AtomicFiles.folder(folder, partial -> {}));
    assertEquals("keep", Files.readString(folder.resolve("mine")));
  }
}
