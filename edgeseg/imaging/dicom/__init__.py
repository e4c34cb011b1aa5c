"""CT as hospitals have it: a DICOM series in, a DICOM segmentation out (extra ``dicom``)."""
