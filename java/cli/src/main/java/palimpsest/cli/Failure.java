package palimpsest.cli;

import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.privacy.LedgerException;
import palimpsest.synth.text.InputException;

/**
 * What the user is told of an exception. A message is shown only if this project wrote it, since
 * one from elsewhere (a parser quoting its input) may carry private text.
 *
 * @param message one line
 */
record Failure(String message, int exitCode) {
  static Failure of(Throwable e) {
    return switch (e) {
      case UncheckedIOException io when io.getCause() != null -> of(io.getCause());
      case LedgerException _ -> new Failure(e.getMessage(), ExitCode.REFUSED);
      case InputException _, ModelFileException _ ->
          new Failure(e.getMessage(), ExitCode.BAD_INPUT);
      case FileSystemException file -> new Failure(describe(file), ExitCode.BAD_INPUT);
      case OutOfMemoryError _ ->
          new Failure("out of memory; PALIMPSEST_JAVA_OPTS=-Xmx8g allows more", ExitCode.FAILED);
      case IllegalArgumentException _ when isOurs(e) ->
          new Failure(e.getMessage(), ExitCode.BAD_INPUT);
      default ->
          isOurs(e)
              ? new Failure(e.getMessage(), ExitCode.FAILED)
              : new Failure(place(e), ExitCode.FAILED);
    };
  }

  private static boolean isOurs(Throwable e) {
    return e.getMessage() != null
        && (e.getClass().getName().startsWith("palimpsest.")
            || (e.getStackTrace().length > 0
                && e.getStackTrace()[0].getClassName().startsWith("palimpsest.")
                && e.getCause() == null));
  }

  private static String describe(FileSystemException e) {
    String reason =
        switch (e) {
          case NoSuchFileException _ -> "no such file";
          case AccessDeniedException _ -> "permission denied";
          case FileAlreadyExistsException _ -> "exists already";
          case NotDirectoryException _ -> "not a folder";
          default -> e.getReason() == null ? "cannot be read or written" : e.getReason();
        };
    return e.getFile() + ": " + reason;
  }

  private static String place(Throwable e) {
    for (StackTraceElement frame : e.getStackTrace()) {
      if (frame.getClassName().startsWith("palimpsest.")) {
        return "internal error: %s at %s.%s line %d (--debug shows more)"
            .formatted(
                e.getClass().getSimpleName(),
                frame.getClassName(),
                frame.getMethodName(),
                frame.getLineNumber());
      }
    }
    return "internal error: %s (--debug shows more)".formatted(e.getClass().getSimpleName());
  }
}
