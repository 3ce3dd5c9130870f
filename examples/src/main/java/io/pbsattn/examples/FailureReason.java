package io.pbsattn.examples;

import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;

/** One line that says why something failed, for a user. */
final class FailureReason {

    private FailureReason() {}

    static String of(Throwable e) {
        String message = e instanceof FileSystemException file ? of(file) : e.getMessage();
        if (e instanceof Error || message == null || message.isBlank()) {
            message = e.toString();
        }
        // What libtorch throws goes on with the frames of its own stack.
        return message.lines().findFirst().orElseThrow();
    }

    /** Java's own message is often the file's name alone. */
    private static String of(FileSystemException e) {
        if (e.getFile() == null) {
            return e.getMessage();
        }
        String reason = e.getReason();
        if (reason == null) {
            reason =
                    e instanceof NoSuchFileException
                            ? "no such file or folder"
                            : e instanceof AccessDeniedException
                                    ? "no permission"
                                    : e instanceof FileAlreadyExistsException
                                            ? "is there already, and no folder"
                                            : e instanceof NotDirectoryException
                                                    ? "expected a folder"
                                                    : e.getClass().getSimpleName();
        }
        return e.getFile() + ": " + reason;
    }
}
