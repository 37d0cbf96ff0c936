"""DICOM: image series, segmentations and measurement reports, all marked synthetic."""
