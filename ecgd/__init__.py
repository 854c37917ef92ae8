"""The program: joins the stages; nothing else may."""
