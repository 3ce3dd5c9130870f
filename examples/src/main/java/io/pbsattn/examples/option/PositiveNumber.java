package io.pbsattn.examples.option;

/** Reads options whose values are whole numbers from 1 on; others are wrong usage. */
public final class PositiveNumber extends WholeNumber {

    /** Constructs the converter. */
    public PositiveNumber() {
        super(1);
    }
}
