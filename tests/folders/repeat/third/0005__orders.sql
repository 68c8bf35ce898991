INSERT INTO done SELECT 'orders' FROM (SELECT count(*) AS views FROM done WHERE what = 'view') AS d WHERE d.views = 0;
