"""Sending DICOM files to a PACS."""
