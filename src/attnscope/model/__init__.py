"""The model under the microscope: where it is loaded from, how it is run, how what is shown is checked."""
