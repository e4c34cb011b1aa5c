"""Scans in, masks out: NIfTI, PNG and DICOM behind one protocol."""
