"""Writing beside and renaming: a reader finds the old file or folder, or the new one, whole."""
