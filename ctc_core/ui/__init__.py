"""What the pages share. Together with app.py and pages/ the only code that knows Streamlit."""
