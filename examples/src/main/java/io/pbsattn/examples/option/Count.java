package io.pbsattn.examples.option;

/** Reads options whose values are whole numbers from 0 on; others are wrong usage. */
public final class Count extends WholeNumber {

    /** Constructs the converter. */
    public Count() {
        super(0);
    }
}
