"""What is given when: doses, regimens, the clinician's shorthand and event tables."""
