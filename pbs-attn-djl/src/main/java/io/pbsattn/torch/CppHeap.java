package io.pbsattn.torch;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;

/**
 * The heap of libtorch's C++ runtime, from which optional arguments come and to which they go: one
 * side allocates them, the other frees them.
 */
final class CppHeap {

    private static final long SLOT_BYTES = 8;

    private final Function operatorNew;
    private final Function operatorDelete;

    /** Finds operator new and delete, by their names in the Itanium C++ ABI. */
    CppHeap(NativeLibrary library) {
        operatorNew = library.getFunction("_Znwm");
        operatorDelete = library.getFunction("_ZdlPv");
    }

    /** Puts a stack value behind a pointer. */
    long box(long value) {
        Pointer slot = operatorNew.invokePointer(new Object[] {SLOT_BYTES});
        slot.setLong(0, value);
        return Pointer.nativeValue(slot);
    }

    /** Takes a stack value from behind a pointer and frees that. */
    long unbox(long pointer) {
        Pointer slot = new Pointer(pointer);
        long value = slot.getLong(0);
        operatorDelete.invokeVoid(new Object[] {slot});
        return value;
    }
}
